/* Before a soaked daemon's C library: LD_PRELOAD. Moves its wall clock, and fills its disk, when the soak says so.
 *
 * The orders stand in a file that is mapped (VB_SOAK_ORDERS), as 64-bit numbers: seconds by which CLOCK_REALTIME is
 * moved; whether the disk is full. A full disk refuses whatever would make a file below VB_SOAK_STATE longer; what a file
 * has already can be written over. Nothing is asked of the kernel while there is no order.
 *     cc -shared -fPIC -O2 -o shim.so shim.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t nothing[2];
static volatile const int64_t *orders = nothing;
static char state[PATH_MAX];
static int (*real_clock)(clockid_t, struct timespec *);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fallocate)(int, off_t, off_t);
static int (*real_ftruncate)(int, off_t);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("VB_SOAK_ORDERS"), *below = getenv("VB_SOAK_STATE");
    real_clock = dlsym(RTLD_NEXT, "clock_gettime");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_fallocate = dlsym(RTLD_NEXT, "posix_fallocate64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    if (!path || !below)
        return;
    snprintf(state, sizeof state, "%s/", below);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED)
        orders = page;
}

static int refused(int file, off_t end)
{
    char link[64], path[PATH_MAX];
    struct stat about;
    if (!orders[1] || fstat(file, &about) != 0 || !S_ISREG(about.st_mode))
        return 0;
    if (end < 0)
        end = lseek(file, 0, SEEK_CUR) - end;
    if ((fcntl(file, F_GETFL) & O_APPEND) == 0 && end <= about.st_size)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return strncmp(path, state, strlen(state)) == 0;
}

ssize_t write(int file, const void *data, size_t count)
{
    if (count && refused(file, -(off_t)count)) {
        errno = ENOSPC;
        return -1;
    }
    return real_write ? real_write(file, data, count) : -1;
}

ssize_t pwrite64(int file, const void *data, size_t count, off_t at)
{
    if (count && refused(file, at + (off_t)count)) {
        errno = ENOSPC;
        return -1;
    }
    return real_pwrite(file, data, count, at);
}

ssize_t pwrite(int file, const void *data, size_t count, off_t at)
{
    return pwrite64(file, data, count, at);
}

int posix_fallocate64(int file, off_t at, off_t count)
{
    return refused(file, at + count) ? ENOSPC : real_fallocate(file, at, count);
}

int posix_fallocate(int file, off_t at, off_t count)
{
    return posix_fallocate64(file, at, count);
}

int ftruncate64(int file, off_t length)
{
    if (refused(file, length)) {
        errno = ENOSPC;
        return -1;
    }
    return real_ftruncate(file, length);
}

int ftruncate(int file, off_t length)
{
    return ftruncate64(file, length);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = real_clock ? real_clock(clock, now) : -1;
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += orders[0];
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0)
        return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (place)
        *place = exact.tv_sec;
    return exact.tv_sec;
}
