/* The VMM's string functions under names that leave the host's alone. */
#define memcpy  hv_memcpy
#define memmove hv_memmove
#define memset  hv_memset
#define memcmp  hv_memcmp
#define memchr  hv_memchr
#define strlen  hv_strlen
#define strnlen hv_strnlen
#define strcmp  hv_strcmp
#define strncmp hv_strncmp
#define strchr  hv_strchr
#define strrchr hv_strrchr
#define strstr  hv_strstr
#define UNIT_TEST_STRING
#include "../../../hv/lib/string.c"
