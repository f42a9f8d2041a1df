/* Makes one folder refuse every change, for every process that has this library preloaded.

   Like a file system that the kernel has made read-only: files that are open stay open and can be
   read; writing, growing, cutting, opening for writing, renaming and removing fail with the error
   number that stands in the mapped file REFUSING_DISK_CONTROL (0: nothing is refused). */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int64_t *number;
static const char *folder;
static size_t folder_length;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("REFUSING_DISK_CONTROL");
    folder = getenv("REFUSING_DISK_FOLDER");
    if (!path || !folder) return;
    folder_length = strlen(folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof *number, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) number = map;
}

static int refused(void) {
    return number ? (int)__atomic_load_n(number, __ATOMIC_ACQUIRE) : 0;
}

static int below(const char *path, size_t n) {
    return n >= folder_length && !memcmp(path, folder, folder_length)
        && (n == folder_length || path[folder_length] == '/');
}

/* Whether a change through this descriptor is refused; errno is set then. */
static int fd_refused(int fd) {
    char link[64], path[PATH_MAX];
    int error = refused(), before = errno;
    if (!error) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path);
    errno = before;
    if (n <= 0 || !below(path, (size_t)n)) return 0;
    errno = error;
    return 1;
}

/* The same for a path, absolute as the programs under test name theirs. */
static int path_refused(const char *path) {
    int error = refused();
    if (!error || !below(path, strlen(path))) return 0;
    errno = error;
    return 1;
}

#define REAL(name, type) \
    static type real; \
    if (!real) real = (type)dlsym(RTLD_NEXT, #name)

#define BY_FD(result, name, params, ...) \
    result name params { \
        typedef result (*type) params; \
        REAL(name, type); \
        return fd_refused(fd) ? -1 : real(__VA_ARGS__); \
    }

BY_FD(ssize_t, write, (int fd, const void *data, size_t n), fd, data, n)
BY_FD(ssize_t, pwrite, (int fd, const void *data, size_t n, off_t at), fd, data, n, at)
BY_FD(ssize_t, pwrite64, (int fd, const void *data, size_t n, off64_t at), fd, data, n, at)
BY_FD(ssize_t, writev, (int fd, const struct iovec *parts, int n), fd, parts, n)
BY_FD(ssize_t, pwritev, (int fd, const struct iovec *parts, int n, off_t at), fd, parts, n, at)
BY_FD(ssize_t, pwritev64, (int fd, const struct iovec *parts, int n, off64_t at), fd, parts, n, at)
BY_FD(int, ftruncate, (int fd, off_t n), fd, n)
BY_FD(int, ftruncate64, (int fd, off64_t n), fd, n)
BY_FD(int, fallocate, (int fd, int mode, off_t at, off_t n), fd, mode, at, n)
BY_FD(int, fallocate64, (int fd, int mode, off64_t at, off64_t n), fd, mode, at, n)

#define BY_PATH(name, params, ...) \
    int name params { \
        typedef int (*type) params; \
        REAL(name, type); \
        return path_refused(path) ? -1 : real(__VA_ARGS__); \
    }

BY_PATH(rename, (const char *path, const char *to), path, to)
BY_PATH(renameat, (int from, const char *path, int in, const char *to), from, path, in, to)
BY_PATH(unlink, (const char *path), path)
BY_PATH(unlinkat, (int in, const char *path, int flags), in, path, flags)
BY_PATH(mkdir, (const char *path, mode_t mode), path, mode)
BY_PATH(rmdir, (const char *path), path)

#define WRITING(flags) (((flags) & O_ACCMODE) != O_RDONLY || ((flags) & (O_CREAT | O_TRUNC)))

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & O_CREAT) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        typedef int (*type)(const char *, int, ...); \
        REAL(name, type); \
        MODE(flags) \
        return WRITING(flags) && path_refused(path) ? -1 : real(path, flags, mode); \
    }

#define OPENS_AT(name) \
    int name(int in, const char *path, int flags, ...) { \
        typedef int (*type)(int, const char *, int, ...); \
        REAL(name, type); \
        MODE(flags) \
        return WRITING(flags) && path_refused(path) ? -1 : real(in, path, flags, mode); \
    }

OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)
