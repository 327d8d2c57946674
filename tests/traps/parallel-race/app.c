#include <stdio.h>

#include "words.h"

int main(void) {
    puts(WORD);
    return 0;
}
