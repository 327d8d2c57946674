/* Builds well; its test says no. */
#include <stdio.h>

int main(void) {
    fputs("expected 4, got 5\n", stderr);
    return 1;
}
