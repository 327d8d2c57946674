#include "word.h"

#include "spelling.c"

const char *word(void) {
    return spelling;
}
