/* Allocates and touches memory until there is none. */

#include <stdlib.h>

int main(void)
{
    for (;;) {
        char *p = malloc(1 << 20);

        if (!p)
            return 3;
        for (int i = 0; i < 1 << 20; i += 4096)
            p[i] = 1;
    }
}
