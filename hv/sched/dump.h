/* Debug key 'r'. */
#ifndef SCHED_DUMP_H
#define SCHED_DUMP_H

void sched_dump_init(void);

#endif
