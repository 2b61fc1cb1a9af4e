/* Debug key 'e'. */
#ifndef EVENT_DUMP_H
#define EVENT_DUMP_H

void event_dump_init(void);

#endif
