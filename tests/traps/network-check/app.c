#include <stdio.h>

int main(void) {
    puts("network");
    return 0;
}
