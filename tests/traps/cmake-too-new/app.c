#include <stdio.h>

int main(void) {
    puts("make instead");
    return 0;
}
