/* The two 8259A interrupt controllers: present in every PC, not used. */
#ifndef IRQ_PIC_H
#define IRQ_PIC_H

/* Boot: moves their vectors away from the exceptions' and masks all lines; keeps their ports from guests. */
void pic_disable(void);

#endif
