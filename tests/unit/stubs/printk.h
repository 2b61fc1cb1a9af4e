/* What stubs/printk.c caught. */
#ifndef STUBS_PRINTK_H
#define STUBS_PRINTK_H

/* All messages since the last clear_messages(), one after the other. */
extern char messages[16384];
void clear_messages(void);
/* How many lines there are. */
int message_lines(void);

#endif
