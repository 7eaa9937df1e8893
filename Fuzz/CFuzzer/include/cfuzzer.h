/* What libFuzzer has for programs that bring their own main; it has no header. */
#ifndef VRDMA_CFUZZER_H
#define VRDMA_CFUZZER_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*test_one_input)(const uint8_t *data, size_t size));

#endif
