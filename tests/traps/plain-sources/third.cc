#include <iostream>

int main() {
    std::cout << "third\n";
}
