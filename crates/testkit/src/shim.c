/* A module before a module: it passes every call on, and fails or delays those that the test names.
 *
 * KEYSTEAD_SHIM_MODULE is the library behind it. KEYSTEAD_SHIM_PLAN is a file of one line, which may change at any time:
 *   serial function value times milliseconds spared
 * From a new serial on, behind so many calls that are spared, that function (its number in CK_FUNCTION_LIST) answers value `times` times (-1: always), after a pause; value 0 passes the call on.
 * For C_GetTokenInfo the value is no answer, but flags that the token gets beyond its own.
 * The function 99 stands for all of them. KEYSTEAD_SHIM_TOKEN, if it is set, is the label of the token whose calls alone are meant.
 * KEYSTEAD_SHIM_SESSIONS is how many sessions may be open at once.
 * Every argument of PKCS#11 is an integer or a pointer and no function has more than eight, so that one form passes all of them on. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long word;
typedef word (*function)(word, word, word, word, word, word, word, word);
struct table {
    unsigned char major, minor;
    function functions[68];
};
enum { GET_TOKEN_INFO = 6, GET_MECHANISM_LIST = 7, OPEN_SESSION = 12, EVERY = 99, CLOSE_SESSION = 13, SESSION_COUNT = 0xB1, GENERAL_ERROR = 5 };
/* Where the flags stand in CK_TOKEN_INFO: behind label, manufacturer, model and serial number. */
enum { FLAGS_AT = 32 + 32 + 16 + 16 };

static struct table behind, table;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long serial = -1, left, spare;
static int sessions;

/* What this call shall answer; 0: what the module answers. */
static word planned(int number, long *pause) {
    long now = -1, times = 0, named = -1, spared = 0;
    word value = 0;
    const char *path = getenv("KEYSTEAD_SHIM_PLAN");
    FILE *file = path ? fopen(path, "r") : NULL;
    *pause = 0;
    if (!file) return 0;
    if (fscanf(file, "%ld %ld %lx %ld %ld %ld", &now, &named, &value, &times, pause, &spared) != 6) now = -1;
    fclose(file);
    pthread_mutex_lock(&lock);
    if (now != serial) serial = now, left = times, spare = spared;
    if (now < 0 || (named != number && named != EVERY) || left == 0) value = 0, *pause = 0;
    else if (spare > 0) spare--, value = 0, *pause = 0;
    else if (left > 0) left--;
    pthread_mutex_unlock(&lock);
    return value;
}

/* The sessions of the token that is meant. */
static word ours[1024];

static word *find(word session) {
    for (int at = 0; at < 1024; at++)
        if (ours[at] == session) return &ours[at];
    return NULL;
}

static int is_of_token(word slot) {
    const char *label = getenv("KEYSTEAD_SHIM_TOKEN");
    char info[512];
    if (!label || behind.functions[GET_TOKEN_INFO](slot, (word)info, 0, 0, 0, 0, 0, 0)) return 0;
    return !strncmp(info, label, strlen(label)) && info[strlen(label)] == ' ';
}

/* Whether a call is of the token that is meant: those before C_GetTokenInfo are of none. */
static int is_meant(int number, word a) {
    if (!getenv("KEYSTEAD_SHIM_TOKEN")) return 1;
    if (number == GET_TOKEN_INFO || number == GET_MECHANISM_LIST || number == OPEN_SESSION) return is_of_token(a);
    return number > OPEN_SESSION && a && find(a);
}

static int has_room(void) {
    const char *most = getenv("KEYSTEAD_SHIM_SESSIONS");
    return !most || sessions < atoi(most);
}

static word through(int number, word a, word b, word c, word d, word e, word f, word g, word h) {
    long pause;
    word *session, flags, value = 0;
    pause = 0;
    if (is_meant(number, a)) value = planned(number, &pause);
    if (pause) usleep(pause * 1000);
    if (value && number != GET_TOKEN_INFO) return value;
    if (number == OPEN_SESSION && !has_room()) return SESSION_COUNT;
    flags = value;
    value = behind.functions[number](a, b, c, d, e, f, g, h);
    if (!value && number == GET_TOKEN_INFO) *(word *)((char *)b + FLAGS_AT) |= flags;
    if (!value && number == OPEN_SESSION) __sync_fetch_and_add(&sessions, 1);
    pthread_mutex_lock(&lock);
    if (!value && number == OPEN_SESSION && is_of_token(a) && (session = find(0))) *session = *(word *)e;
    if (!value && number == CLOSE_SESSION && (session = find(a))) *session = 0;
    pthread_mutex_unlock(&lock);
    if (!value && number == CLOSE_SESSION) __sync_fetch_and_sub(&sessions, 1);
    return value;
}

#define F(n) static word f##n(word a, word b, word c, word d, word e, word f, word g, word h) { return through(n, a, b, c, d, e, f, g, h); }
#define TEN(M, t) M(t##0) M(t##1) M(t##2) M(t##3) M(t##4) M(t##5) M(t##6) M(t##7) M(t##8) M(t##9)
#define ALL(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) TEN(M, 1) TEN(M, 2) TEN(M, 3) TEN(M, 4) TEN(M, 5) M(60) M(61) M(62) M(63) M(64) M(65) M(66) M(67)
ALL(F)

word C_GetFunctionList(struct table **list) {
    void *library = dlopen(getenv("KEYSTEAD_SHIM_MODULE"), RTLD_NOW);
    word (*get)(struct table **) = library ? (word (*)(struct table **))dlsym(library, "C_GetFunctionList") : NULL;
    struct table *found;
    if (!get || get(&found)) return GENERAL_ERROR;
    behind = *found;
    table.major = found->major, table.minor = found->minor;
#define SET(n) table.functions[n] = f##n;
    ALL(SET)
    *list = &table;
    return 0;
}
