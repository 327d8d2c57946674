/* Says nothing, for ever: the limit on silence ends it long before the time limit. */
#include <unistd.h>

int main(void) {
    for (;;) {
        pause();
    }
}
