/* Debug key 'g'. */
#ifndef GRANT_DUMP_H
#define GRANT_DUMP_H

void grant_dump_init(void);

#endif
