/* A DOUBLE of the CUDA driver (libcuda.so.1) with the host's memory behind it, for tests of a whole box: the
   calls that `appliance/vision/detectors/tensorrt/cuda.py` makes, and no other. What is wrong with it stands
   in a file that all its processes map (CUDA_DOUBLE), so that a test can change it while they run. */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef int CUresult;
enum { OK = 0, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, ILLEGAL_ADDRESS = 700 };

struct control {
    uint64_t memory_bytes; /* of the chip; each process sees what it has itself taken */
    uint32_t hangs;        /* whoever waits for a stream waits until this is 0 */
    uint32_t fails;        /* a stream that is waited for fails, and with it the process's context */
};

static const volatile struct control *control;
static uint64_t used_bytes;
static CUresult broken;

CUresult cuInit(unsigned flags) {
    const char *path = getenv("CUDA_DOUBLE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (control) return OK;
    if (file < 0) return NOT_INITIALIZED;
    control = mmap(0, sizeof *control, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    return control == MAP_FAILED ? (control = 0, NOT_INITIALIZED) : OK;
}
CUresult cuDriverGetVersion(int *version) { *version = 13000; return OK; }
CUresult cuDeviceGetCount(int *count) { *count = 1; return OK; }
CUresult cuDeviceGet(int *device, int number) { *device = number; return OK; }
CUresult cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Double", size); return OK; }
CUresult cuDeviceGetAttribute(int *value, int which, int device) {
    *value = which == 75 ? 8 : which == 76 ? 7 : 0; /* compute 8.7, not integrated */
    return OK;
}
CUresult cuDevicePrimaryCtxSetFlags_v2(int device, unsigned flags) { return OK; }
CUresult cuDevicePrimaryCtxRetain(void **context, int device) { *context = &used_bytes; return broken; }
CUresult cuDevicePrimaryCtxRelease_v2(int device) { return OK; }
CUresult cuCtxSetCurrent(void *context) { return broken; }

CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    *total = control->memory_bytes;
    *free_bytes = used_bytes < *total ? *total - used_bytes : 0;
    return broken;
}
CUresult cuMemAlloc_v2(uint64_t *address, size_t size) {
    uint64_t *block;
    if (broken) return broken;
    if (used_bytes + size > control->memory_bytes || !(block = malloc(size + 64))) return OUT_OF_MEMORY;
    *block = size;
    __sync_fetch_and_add(&used_bytes, size);
    *address = (uint64_t)(uintptr_t)block + 64;
    return OK;
}
CUresult cuMemFree_v2(uint64_t address) {
    uint64_t *block = (uint64_t *)(uintptr_t)(address - 64);
    __sync_fetch_and_sub(&used_bytes, *block);
    free(block);
    return broken;
}
CUresult cuMemHostAlloc(void **address, size_t size, unsigned flags) {
    *address = malloc(size);
    return *address ? broken : OUT_OF_MEMORY;
}
CUresult cuMemHostGetDevicePointer_v2(uint64_t *seen_at, void *address, unsigned flags) {
    *seen_at = (uint64_t)(uintptr_t)address;
    return broken;
}
CUresult cuMemFreeHost(void *address) { free(address); return broken; }
CUresult cuMemcpyHtoDAsync_v2(uint64_t to, void *from, size_t size, void *stream) {
    memcpy((void *)(uintptr_t)to, from, size);
    return broken;
}
CUresult cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t size, void *stream) {
    memcpy(to, (void *)(uintptr_t)from, size);
    return broken;
}
CUresult cuStreamCreate(void **stream, unsigned flags) { *stream = malloc(1); return broken; }
CUresult cuStreamDestroy_v2(void *stream) { free(stream); return broken; }
CUresult cuStreamSynchronize(void *stream) {
    while (control->hangs) usleep(1000);
    if (control->fails) broken = ILLEGAL_ADDRESS;
    return broken;
}
CUresult cuGetErrorString(int status, const char **text) {
    *text = status == ILLEGAL_ADDRESS ? "an illegal memory access was encountered" : "unknown error";
    return OK;
}
