#include <stdio.h>

int main(void) {
    puts("autogen");
    return 0;
}
