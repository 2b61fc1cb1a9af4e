/* The VMM's printf functions under names that leave the host's alone. */
#define vsnprintf hv_vsnprintf
#define snprintf  hv_snprintf
#define UNIT_TEST_PRINTF
#include "../../../hv/lib/printf.c"
