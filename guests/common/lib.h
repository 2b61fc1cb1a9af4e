/* What a freestanding guest lacks: strings, formatted lines on the console, results. */
#ifndef GUEST_LIB_H
#define GUEST_LIB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE_SIZE     4096ul

void *memset(void *dst, int c, size_t n);
void *memcpy(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
const char *strstr(const char *text, const char *word);

/*
 * Formats: %d %u %x (int), with l for long; %s; %c; %e (long: 0, a positive
 * number, or the name of the errno).  A width with leading zero works for
 * numbers.  Each call is one console write, so lines are not torn.
 */
void print(const char *fmt, ...);

/* One result: "TEST name: text".  The text must not depend on the machine. */
void result(const char *name, const char *fmt, ...);

/* Put in front of every name, where the same tests run several times; NULL: nothing. */
extern const char *result_prefix;

/* "TEST name: 0" or the name of an errno. */
void result_errno(const char *name, long value);

/*
 * Asks the runner to have the VMM check all its reference counts (a debug key
 * of Hospes) and waits for its answer, the letter c on the console.
 */
void audit_point(void);

/* Powers the machine off after an audit and printing DONE. */
void finish(void) __attribute__((noreturn));

/* Where lines go instead of the console, and how to end instead of powering off, in a domain without these.
 */
extern void (*print_hook)(const char *text, size_t len);
extern void (*finish_hook)(void);

/* The subject of the guest: called once with everything set up. */
void guest_main(void);

#endif
