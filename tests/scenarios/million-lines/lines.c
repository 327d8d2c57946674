/* A million numbered lines, each of 24 bytes with its end: what is lost or doubled can be told. */
#include <stdio.h>

int main(void) {
    for (int n = 1; n <= 1000000; n++) {
        printf("this is line %010d\n", n);
    }
    return 0;
}
