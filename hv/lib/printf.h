/*
 * Formatted output into a buffer.
 *
 * Conversions: %c %s %d %i %u %x %X %o %p %%, with the flags - + space 0 #, width and precision
 * (numbers or *), and the lengths hh h l ll z t j.  There is no %n and no floating point.  An
 * unknown conversion is copied to the output as it stands and ends the interpretation of the
 * format.  A null %s prints "(null)".
 *
 * At most @size bytes are stored, terminated when @size is not zero.  Returns the length that the
 * whole output would have had (without its terminator), as ISO C does.
 */
#ifndef LIB_PRINTF_H
#define LIB_PRINTF_H

#include <stdarg.h>
#include <stddef.h>

#if defined(HOSPES_UNIT_TEST) && !defined(UNIT_TEST_PRINTF)
#include <stdio.h>
#else
int vsnprintf(char *buf, size_t size, const char *fmt, va_list args) __attribute__((format(printf, 3, 0)));
int snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#endif

/*
 * As the two above, but return the number of characters really stored, so that results can be
 * chained: n += scnprintf(buf + n, size - n, ...) never passes the end.
 */
int vscnprintf(char *buf, size_t size, const char *fmt, va_list args) __attribute__((format(printf, 3, 0)));
int scnprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
