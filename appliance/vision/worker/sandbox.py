"""What the children that decode strangers' bitstreams may do: compute, read, answer. Nothing else.

``no_new_privs``, no file may grow (RLIMIT_FSIZE), and a seccomp filter (BPF, seccomp(2)) that
refuses new sockets, new programs, writable opens and changes to the file system with EACCES, in all
threads, those that libraries have started already among them. Where the kernel or the architecture does
not offer it, the rest holds and ``confine`` says False. Openings for chips: ``landlock``.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
from typing import Final

RESERVED_BYTES = 1024 * 1024 * 1024
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 1, 1
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EACCES, _ENOSYS = 13, 38
_LOAD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data; arguments are 8 bytes each
_MAKING: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | 0o20000000  # the last is O_TMPFILE's own bit
_WRITING: Final = _MAKING | os.O_RDWR

# Names in the order of the columns below; None where the architecture has no such call.
# fmt: off
_REFUSED: Final = (
    # name          x86_64  aarch64
    ("socket",          41,  198), ("socketpair",       53,  199), ("bind",            49,  200),
    ("listen",          50,  201), ("connect",          42,  203), ("execve",          59,  221),
    ("execveat",       322,  281), ("ptrace",          101,  117), ("rename",          82, None),
    ("renameat",       264,   38), ("renameat2",       316,  276), ("unlink",          87, None),
    ("unlinkat",       263,   35), ("mkdir",            83, None), ("mkdirat",        258,   34),
    ("rmdir",           84, None), ("creat",            85, None), ("link",            86, None),
    ("linkat",         265,   37), ("symlink",          88, None), ("symlinkat",      266,   36),
    ("chmod",           90, None), ("fchmodat",        268,   53), ("chown",           92, None),
    ("fchownat",       260,   54), ("truncate",         76,   45), ("mount",          165,   40),
    ("umount2",        166,   39), ("process_vm_readv", 310, 270), ("process_vm_writev", 311, 271),
    ("bpf",            321,  280), ("io_uring_setup",  425,  425), ("kexec_load",     246,  104),
    ("init_module",    175,  105), ("setns",           308,  268), ("unshare",        272,   97),
)
# fmt: on
# Audit architecture, column of the table, openat (its flags are looked at), open, seccomp
_MACHINES: Final = {"x86_64": (0xC000003E, 1, 257, 2, 317), "aarch64": (0xC00000B7, 2, 56, None, 277)}
_OPENAT2 = 437  # everywhere


def die_with_parent() -> None:
    """SIGKILL when the thread that started this process ends: never outlive the daemon."""
    _libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    parent = os.environ.get("ARIES_PARENT")
    if parent is not None and int(parent) != os.getppid():
        os._exit(1)  # it died before we could ask


def confine(*, devices: bool = False) -> bool:
    """Call it after the imports. ``devices``: Landlock already refuses to open for writing what is no
    device of a chip (``landlock.only_write``), so that O_RDWR may pass here. False: no seccomp here."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    libc = _libc()
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or platform.machine() not in _MACHINES:
        return False
    code = _program(platform.machine(), _MAKING if devices else _WRITING)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    program = Program(len(code) // 8, ctypes.addressof(buffer))
    number, everywhere = _MACHINES[platform.machine()][4], SECCOMP_FILTER_FLAG_TSYNC
    return int(libc.syscall(number, SECCOMP_SET_MODE_FILTER, everywhere, ctypes.byref(program))) == 0


def limit_memory(resident_bytes: int) -> None:
    """What asks for more is refused it, in the runtime that asked: a model of monstrous size is an error,
    and not the end of the process or of the box. (setrlimit(2), RLIMIT_DATA: private and writable, whether
    touched or not, so stacks and heaps want something on top; the daemon watches what is resident.)"""
    limit = resident_bytes + RESERVED_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _program(machine: str, refused: int) -> bytes:
    """``refused``: flags of ``open``, of which none may be set."""
    arch, column, openat, open_, _ = _MACHINES[machine]
    deny = _ERRNO | _EACCES
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCH),
        (_JEQ, 1, 0, arch),
        (_RET, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    code += [(_JGE, 0, 1, 0x40000000), (_RET, 0, 0, deny)]  # the x32 calls: other numbers, same deeds
    for row in _REFUSED:
        number = row[column]
        if isinstance(number, int):
            code += [(_JEQ, 0, 1, number), (_RET, 0, 0, deny)]
    code += [(_JEQ, 0, 1, _OPENAT2), (_RET, 0, 0, _ERRNO | _ENOSYS)]  # its flags lie in memory: unreadable
    for call, argument in ((openat, 2), (open_, 1)):
        if call is not None:
            code += [(_JEQ, 0, 4, call), (_LOAD, 0, 0, _ARGS + 8 * argument), (_JSET, 0, 1, refused)]
            code += [(_RET, 0, 0, deny), (_RET, 0, 0, _ALLOW)]
    code.append((_RET, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *line) for line in code)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
