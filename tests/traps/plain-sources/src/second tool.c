#include "word.h"

int main(void) {
    return word()[0] != 'p';
}
