/* Keeps values in every vector register across many context switches; two of these must not see each other's.
 */

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    double start = argc > 1 ? atof(argv[1]) : 1, x[16], y[16];

    for (int i = 0; i < 16; i++)
        x[i] = y[i] = start + i;
    for (int round = 0; round < 20000; round++) {
        for (int i = 0; i < 16; i++)
            x[i] = x[i] * 1.0000001 + 0.5;
        if (round % 10 == 0)
            sched_yield();
    }
    for (int round = 0; round < 20000; round++)
        for (int i = 0; i < 16; i++)
            y[i] = y[i] * 1.0000001 + 0.5;
    for (int i = 0; i < 16; i++)
        if (x[i] != y[i]) {
            printf("register %d: %a, not %a\n", i, x[i], y[i]);
            return 1;
        }
    return 0;
}
