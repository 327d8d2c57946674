#include <stdio.h>

int main(void) {
    puts("no bit");
    return 0;
}
