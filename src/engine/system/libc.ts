/**
 * The calls of Linux's C library that Node does not offer: sparse-file and physical extents,
 * page-cache advice, file locks, a rename that never replaces. One koffi binding each.
 */
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const E = koffi.os.errno;

const cLseek = libc.func("int64 lseek(int fd, int64 offset, int whence)");
const cIoctl = libc.func("int ioctl(int fd, unsigned long request, _Inout_ void *argument)");
const cFadvise = libc.func("int posix_fadvise(int fd, int64 offset, int64 length, int advice)");
const cSyncFileRange = libc.func(
  "int sync_file_range(int fd, int64 offset, int64 length, unsigned int flags)",
);
const cFcntl = libc.func("int fcntl(int fd, int command, void *lock)");
const cFlock = libc.func("int flock(int fd, int operation)");
const cRenameat2 = libc.func(
  "int renameat2(int olddir, const char *from, int newdir, const char *to, unsigned int flags)",
);
const cSyscall = libc.func(
  "long syscall(long number, int fd, const void *range, _Out_ void *result, unsigned int flags)",
);
const cExit = libc.func("void _exit(int status)");

const AT_FDCWD = -100;

/** An errno as an Error that looks like Node's own (`code`, `syscall`). */
function systemError(syscall: string): NodeJS.ErrnoException {
  const errno = koffi.errno();
  const code = Object.entries(E).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${code}, ${syscall}`), { errno, code, syscall });
}

/**
 * The first data at or after `offset`, in bytes: lseek(2) with SEEK_DATA. Null where none
 * follows; undefined where the file cannot tell (a block device, some filesystems).
 */
export function seekData(fd: number, offset: number): number | null | undefined {
  const found = Number(cLseek(fd, offset, 3));
  if (found >= 0) return found;
  if (koffi.errno() === E["ENXIO"]) return null;
  if (koffi.errno() === E["EINVAL"] || koffi.errno() === E["EOPNOTSUPP"]) return undefined;
  throw systemError("lseek");
}

/** The first hole at or after `offset` (the end of the file counts as one), in bytes. */
export function seekHole(fd: number, offset: number): number | null {
  const found = Number(cLseek(fd, offset, 4));
  if (found >= 0) return found;
  if (koffi.errno() === E["ENXIO"]) return null;
  throw systemError("lseek");
}

/** Size in bytes of a block device: BLKGETSIZE64 of linux/fs.h. */
export function blockDeviceSize(fd: number): number {
  const size = Buffer.alloc(8);
  if (cIoctl(fd, 0x80081272, size) !== 0) throw systemError("ioctl BLKGETSIZE64");
  return Number(size.readBigUInt64LE());
}

export interface PhysicalExtent {
  /** Offset in the file, in bytes. */
  readonly logical: number;
  /** Offset on the filesystem's storage, in bytes. */
  readonly physical: bigint;
  readonly length: number;
  /** FIEMAP_EXTENT_* of linux/fiemap.h. */
  readonly flags: number;
}

const FIEMAP_HEADER = 32;
const FIEMAP_EXTENT = 56;
const FIEMAP_BATCH = 256;

/** The file's extents on storage that touch [start, end), from FIEMAP (linux/fiemap.h). */
export function physicalExtents(fd: number, start: number, end: number): PhysicalExtent[] {
  const extents: PhysicalExtent[] = [];
  const request = Buffer.alloc(FIEMAP_HEADER + FIEMAP_BATCH * FIEMAP_EXTENT);
  let from = start;
  while (from < end) {
    request.fill(0, 0, FIEMAP_HEADER);
    request.writeBigUInt64LE(BigInt(from), 0);
    request.writeBigUInt64LE(BigInt(end - from), 8);
    request.writeUInt32LE(FIEMAP_BATCH, 24);
    if (cIoctl(fd, 0xc020660b, request) !== 0) throw systemError("ioctl FIEMAP");
    const count = request.readUInt32LE(20);
    for (let index = 0; index < count; index++) {
      const at = FIEMAP_HEADER + index * FIEMAP_EXTENT;
      extents.push({
        logical: Number(request.readBigUInt64LE(at)),
        physical: request.readBigUInt64LE(at + 8),
        length: Number(request.readBigUInt64LE(at + 16)),
        flags: request.readUInt32LE(at + 40),
      });
    }
    const last = extents.at(-1);
    if (count < FIEMAP_BATCH || last === undefined) break;
    from = last.logical + last.length;
  }
  return extents;
}

/** The FS_XFLAG_* of a file (FS_IOC_FSGETXATTR of linux/fs.h). */
export function extendedFlags(fd: number): number {
  const attributes = Buffer.alloc(28);
  if (cIoctl(fd, 0x801c581f, attributes) !== 0) throw systemError("ioctl FSGETXATTR");
  return attributes.readUInt32LE(0);
}

/** Keeps the kernel from reading more than it is asked for (POSIX_FADV_RANDOM). */
export function readExactly(fd: number): void {
  cFadvise(fd, 0, 0, 1);
}

/** Asks the kernel to read a range into the page cache; returns at once. */
export function prefetch(fd: number, offset: number, length: number): void {
  cFadvise(fd, offset, length, 3);
}

/** Gives a range of the page cache back. */
export function dropCache(fd: number, offset: number, length: number): void {
  cFadvise(fd, offset, length, 4);
}

const cacheRange = new BigUint64Array(2);
const cacheStatistics = new BigUint64Array(5);

/**
 * How many pages of a range are in the page cache, by cachestat(2) (Linux 6.5); undefined
 * where the kernel or a seccomp profile does not have it.
 */
export function cachedPages(fd: number, offset: number, length: number): number | undefined {
  cacheRange[0] = BigInt(offset);
  cacheRange[1] = BigInt(length);
  if (Number(cSyscall(451, fd, cacheRange, cacheStatistics, 0)) !== 0) return undefined;
  return Number(cacheStatistics[0]);
}

/** Starts writing a range to storage without waiting for it (SYNC_FILE_RANGE_WRITE). */
export function startWriteback(fd: number, offset: number, length: number): void {
  cSyncFileRange(fd, offset, length, 2);
}

/** Takes an exclusive lock of a folder that ends with the open one; false where another has it. */
export function tryLockFolder(fd: number): boolean {
  if (cFlock(fd, 2 | 4) === 0) return true;
  if (koffi.errno() === E["EAGAIN"]) return false;
  throw systemError("flock");
}

const F_OFD_SETLK = 37;
const LOCKED_BYTE = 2n ** 62n;

/**
 * Takes a lock of a file that ends with the open one; false where another has it. Over NFS, flock(2)
 * would lock all bytes against QEMU, which locks some of the first 204 by itself: this is one that
 * nothing else looks at (fcntl(2), open file description locks).
 * @param kind Write: for one alone, the file open for writing. Read: for all but a writer.
 */
export function tryLockFile(fd: number, kind: "Write" | "Read" = "Write"): boolean {
  // struct flock: l_type, l_whence (SEEK_SET), l_start, l_len, l_pid, which has to be 0.
  const lock = Buffer.alloc(32);
  lock.writeInt16LE(kind === "Write" ? 1 : 0, 0);
  lock.writeBigInt64LE(LOCKED_BYTE, 8);
  lock.writeBigInt64LE(1n, 16);
  if (cFcntl(fd, F_OFD_SETLK, lock) === 0) return true;
  if (koffi.errno() === E["EAGAIN"] || koffi.errno() === E["EACCES"]) return false;
  throw systemError("fcntl OFD_SETLK");
}

/**
 * Renames without ever replacing an existing name (RENAME_NOREPLACE). False where the
 * filesystem cannot do so; throws EEXIST where the name is taken.
 */
export function renameNoReplace(from: string, to: string): boolean {
  if (cRenameat2(AT_FDCWD, from, AT_FDCWD, to, 1) === 0) return true;
  if (koffi.errno() === E["EINVAL"] || koffi.errno() === E["ENOSYS"]) return false;
  throw systemError("rename");
}

/** Ends the process at once, even while a thread hangs in a read: _exit(2). */
export function exitNow(status: number): never {
  cExit(status);
  throw new Error("_exit returned");
}
