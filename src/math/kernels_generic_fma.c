/*
 * kernels_generic_fma.c: kernels_generic.c once more, compiled for x86 processors that have FMA.
 */
#ifdef __x86_64__
#define KERNELS_TABLE kernels_generic_fma
#include "math/kernels_generic.c"
#else
typedef int kernels_generic_fma_is_for_x86_64;
#endif
