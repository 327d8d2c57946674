#include <stdio.h>

int main(void) {
    puts("quiet");
    return 0;
}
