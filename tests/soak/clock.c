/* A wall clock that can be set, for a tree of processes: CLOCK_REALTIME plus an offset in nanoseconds that stands in
   the file named by SOAK_CLOCK and may change at any time. The monotonic clock stays the machine's own, so sleeps,
   timeouts and polls take as long as they should. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
/* Absolute times below this are of the monotonic clock: seconds since the machine's start. */
#define EARLIEST_WALL_SECOND 1000000000LL

static volatile const int64_t *offset_ns;
static int (*libc_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("SOAK_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
        if (mapped != MAP_FAILED) offset_ns = mapped;
        close(file);
    }
    libc_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
}

static int64_t offset(void) { return offset_ns ? *offset_ns : 0; }

static void add(struct timespec *moment, int64_t nanoseconds) {
    int64_t sum = moment->tv_nsec + nanoseconds % SECOND;
    moment->tv_sec += nanoseconds / SECOND + (sum >= SECOND) - (sum < 0);
    moment->tv_nsec = sum - (sum >= SECOND) * SECOND + (sum < 0) * SECOND;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = libc_clock_gettime ? libc_clock_gettime(clock, now) : (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) add(now, offset());
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec moment;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &moment)) return -1;
    now->tv_sec = moment.tv_sec;
    now->tv_usec = moment.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec moment;
    clock_gettime(CLOCK_REALTIME, &moment);
    if (out) *out = moment.tv_sec;
    return moment.tv_sec;
}

/* Waits until a moment of the wall clock are the kernel's, which does not know of the offset. */
static const struct timespec *of_machine(const struct timespec *until, struct timespec *own) {
    if (until == NULL || until->tv_sec < EARLIEST_WALL_SECOND) return until;
    *own = *until;
    add(own, -offset());
    return own;
}

static void *libc(const char *name, const char *version) {
    void *found = dlvsym(RTLD_NEXT, name, version);
    return found ? found : dlsym(RTLD_NEXT, name);
}

#define WAIT_UNTIL(name, version, parameters, call)                    \
    int name parameters {                                              \
        static int(*next) parameters;                                  \
        struct timespec own;                                           \
        if (!next) next = (int(*) parameters)libc(#name, version);     \
        return next call;                                              \
    }

/* pthread_cond_timedwait has an older namesake with another layout: its version has to be named. */
WAIT_UNTIL(pthread_cond_timedwait, "GLIBC_2.3.2",
           (pthread_cond_t * condition, pthread_mutex_t *mutex, const struct timespec *until),
           (condition, mutex, of_machine(until, &own)))
WAIT_UNTIL(pthread_cond_clockwait, "GLIBC_2.30",
           (pthread_cond_t * condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until),
           (condition, mutex, clock, of_machine(until, &own)))
WAIT_UNTIL(pthread_mutex_timedlock, "GLIBC_2.2.5", (pthread_mutex_t * mutex, const struct timespec *until),
           (mutex, of_machine(until, &own)))
WAIT_UNTIL(sem_timedwait, "GLIBC_2.2.5", (sem_t * semaphore, const struct timespec *until),
           (semaphore, of_machine(until, &own)))
WAIT_UNTIL(sem_clockwait, "GLIBC_2.30", (sem_t * semaphore, clockid_t clock, const struct timespec *until),
           (semaphore, clock, of_machine(until, &own)))

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *length, struct timespec *left) {
    static int (*next)(clockid_t, int, const struct timespec *, struct timespec *);
    struct timespec own;
    if (!next) next = (int (*)(clockid_t, int, const struct timespec *, struct timespec *))libc("clock_nanosleep", "GLIBC_2.17");
    return next(clock, flags, flags & TIMER_ABSTIME ? of_machine(length, &own) : length, left);
}
