#include <stdio.h>

int main(void) {
    puts("cmake");
    return 0;
}
