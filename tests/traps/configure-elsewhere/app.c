#include <stdio.h>

int main(void) {
    puts("elsewhere");
    return 0;
}
