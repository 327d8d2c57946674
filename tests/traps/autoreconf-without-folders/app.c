#include <stdio.h>

int main(void) {
    puts("autoreconf");
    return 0;
}
