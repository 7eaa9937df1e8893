/* Compiles the layout assertions of the ABI. */
#include "vrdma_abi.h"
