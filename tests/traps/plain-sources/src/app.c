#include <math.h>
#include <stdio.h>

#include "word.h"

int main(int count, char **all) {
    (void)all;
    printf("%s %.0f\n", word(), sqrt(count * 4));
    return 0;
}
