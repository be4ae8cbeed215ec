"""Backend ``tensorrt``: NVIDIA's chips, by TensorRT 10.x, 11.x or TensorRT for RTX, one code path.

Objective: an engine is built once per model, library, chip and shape, beside everything else and at
idle priority; the worker only reads it and keeps the chip busy with one batch while the next comes in.
Invariants: the library is imported in ``library`` alone, the driver is called in ``cuda`` alone; an
engine whose SHA-256 or key is not the named one never reaches TensorRT; memory that is short makes
batches smaller, not the worker die; a lost CUDA context raises ``Lost``, since only a new process helps.
Non-goals: no precision is chosen here (networks are strongly typed: it is in the ONNX file); no
calibration; no pre- or post-processing (families); no guard against somebody who may write the cache:
an engine is a program, the folder belongs to the daemon alone.
Read next: ``build`` (ONNX to engine), ``engines`` (the cache), ``detector`` and ``runner`` (running it).
"""
