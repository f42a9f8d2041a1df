/* Makes one folder as slow as a poor disk, for every process that has this library preloaded.

   Model: all writes below SLOW_DISK_FOLDER join one queue that drains at a set number of bytes per
   second, whoever writes them. A write returns while at most the cache waits in the queue, as
   with dirty pages; fsync and fdatasync return when the queue is empty. The queue lives in a
   mapped file, so that several processes share it and a test can change the speed meanwhile.

   Not slowed: mmap, sendfile, copy_file_range, io_uring, and what libc writes by itself (stdio). */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {            /* the same as LAYOUT in slow_disk.py */
    int64_t empty_ns;       /* monotonic time at which the queue will be empty */
    int64_t bytes_per_s;    /* 0: not slowed */
    int64_t cache_bytes;
    int64_t generation;     /* another number ends all waits */
    int64_t bytes;          /* written so far */
    int64_t waited_ns;      /* by all writers together */
};

static struct control *shared;
static const char *folder;
static size_t folder_length;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("SLOW_DISK_CONTROL");
    folder = getenv("SLOW_DISK_FOLDER");
    if (!path || !folder) return;
    folder_length = strlen(folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) shared = map;
}

static int concerned(int fd) {
    char link[64], path[4096];
    if (!shared || !__atomic_load_n(&shared->bytes_per_s, __ATOMIC_ACQUIRE)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    return n > (ssize_t)folder_length && !memcmp(path, folder, folder_length)
        && path[folder_length] == '/';
}

/* The generation is read before anything else: a change of speed always ends a wait for the old. */
static int64_t generation_now(void) {
    return __atomic_load_n(&shared->generation, __ATOMIC_ACQUIRE);
}

static void wait_until(int64_t until_ns, int64_t generation) {
    int64_t began = now_ns();
    for (;;) {
        int64_t left = until_ns - now_ns();
        if (left <= 0 || generation != generation_now()) break;
        struct timespec nap = {0, left < 20000000 ? left : 20000000};
        nanosleep(&nap, NULL);
    }
    __atomic_fetch_add(&shared->waited_ns, now_ns() - began, __ATOMIC_RELAXED);
}

static void wrote(int64_t n) {
    int64_t generation = generation_now();
    int64_t rate = __atomic_load_n(&shared->bytes_per_s, __ATOMIC_ACQUIRE);
    if (n <= 0 || rate <= 0) return;
    int64_t cost = (int64_t)((double)n / rate * 1e9), before, after;
    __atomic_fetch_add(&shared->bytes, n, __ATOMIC_RELAXED);
    before = __atomic_load_n(&shared->empty_ns, __ATOMIC_ACQUIRE);
    do {
        int64_t now = now_ns();
        after = (before > now ? before : now) + cost;
    } while (!__atomic_compare_exchange_n(&shared->empty_ns, &before, after, 0, __ATOMIC_ACQ_REL,
                                          __ATOMIC_ACQUIRE));
    wait_until(after - (int64_t)((double)shared->cache_bytes / rate * 1e9), generation);
}

static void drain(int fd) {
    if (!concerned(fd)) return;
    int64_t generation = generation_now();
    wait_until(__atomic_load_n(&shared->empty_ns, __ATOMIC_ACQUIRE), generation);
}

#define REAL(name, type) \
    static type real; \
    if (!real) real = (type)dlsym(RTLD_NEXT, #name)

#define SLOWED(name, params, ...) \
    ssize_t name params { \
        typedef ssize_t (*type) params; \
        REAL(name, type); \
        ssize_t n = real(__VA_ARGS__); \
        if (n > 0 && concerned(fd)) wrote(n); \
        return n; \
    }

SLOWED(write, (int fd, const void *data, size_t n_bytes), fd, data, n_bytes)
SLOWED(pwrite, (int fd, const void *data, size_t n_bytes, off_t at), fd, data, n_bytes, at)
SLOWED(pwrite64, (int fd, const void *data, size_t n_bytes, off64_t at), fd, data, n_bytes, at)
SLOWED(writev, (int fd, const struct iovec *parts, int n_parts), fd, parts, n_parts)
SLOWED(pwritev, (int fd, const struct iovec *parts, int n_parts, off_t at), fd, parts, n_parts, at)
SLOWED(pwritev64, (int fd, const struct iovec *parts, int n_parts, off64_t at), fd, parts, n_parts,
       at)
SLOWED(pwritev2, (int fd, const struct iovec *parts, int n_parts, off_t at, int flags), fd, parts,
       n_parts, at, flags)
SLOWED(pwritev64v2, (int fd, const struct iovec *parts, int n_parts, off64_t at, int flags), fd,
       parts, n_parts, at, flags)

#define DRAINED(name) \
    int name(int fd) { \
        typedef int (*type)(int); \
        REAL(name, type); \
        drain(fd); \
        return real(fd); \
    }

DRAINED(fsync)
DRAINED(fdatasync)
