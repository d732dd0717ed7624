/* A process that is odd in a way that no shell can bring about:
 *
 *     odd undumpable FILE   does not let itself be dumped, so that its files in
 *                           /proc are root's
 *     odd headless FILE     its first thread has ended, and another goes on
 *
 * It writes its pid into FILE and sleeps. In C, because Rust lets no first thread
 * end alone; the build needs a C compiler anyway.
 */

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char *file;

static void *wait_for_the_end(void *unused) {
    FILE *out = fopen(file, "w");
    if (out == NULL || fprintf(out, "%d\n", getpid()) < 0 || fclose(out) != 0)
        _exit(1);
    sleep(120);
    _exit(0);
    return unused;
}

int main(int count, char **words) {
    if (count != 3)
        return 2;
    file = words[2];
    if (strcmp(words[1], "undumpable") == 0) {
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
            return 1;
        wait_for_the_end(NULL);
    } else if (strcmp(words[1], "headless") == 0) {
        pthread_t other;
        if (pthread_create(&other, NULL, wait_for_the_end, NULL) != 0)
            return 1;
        pthread_exit(NULL);
    }
    return 2;
}
