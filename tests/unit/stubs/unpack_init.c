/* On the host the libraries' constructors have run already. */
#include <boot/unpack/libs.h>

void unpack_libs_init(void)
{
}
