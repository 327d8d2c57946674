#include <stdio.h>

int main(void) {
    puts("meson");
    return 0;
}
