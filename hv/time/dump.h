/* Debug keys 'a' and 't'. */
#ifndef TIME_DUMP_H
#define TIME_DUMP_H

void time_dump_init(void);

#endif
