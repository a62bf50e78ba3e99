#include "unpack.h"

void unpack_row(const uint8_t *row, unsigned bits, uint16_t *pixels, size_t width)
{
    if (bits == 16) {
        for (size_t i = 0; i < width; i++)
            pixels[i] = (uint16_t)(row[2 * i] | row[2 * i + 1] << 8);
        return;
    }
    const unsigned low = bits - 8, group = 8 / low; /* bits in the shared byte, pixels that share it */
    for (size_t i = 0; i < width; i++) {
        const uint8_t *first = row + i / group * (group + 1);
        const unsigned place = (unsigned)(i % group);
        pixels[i] = (uint16_t)(first[place] << low | (first[group] >> low * place & ((1u << low) - 1)));
    }
}

size_t packed_bytes(unsigned bits, size_t width)
{
    if (bits == 16)
        return 2 * width;
    const size_t group = 8 / (bits - 8);
    return (width + group - 1) / group * (group + 1);
}
