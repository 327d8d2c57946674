#include <stdio.h>

int main(void) {
    puts("automake");
    return 0;
}
