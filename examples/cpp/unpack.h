#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One row of a sensor to words. bits: 10 and 12 as MIPI CSI-2 packs them (V4L2's SRGGB10P and SRGGB12P: the high eight
   bits of four or two pixels, then their low bits in one byte, the first pixel's lowest), 16 as little-endian words. */
void unpack_row(const uint8_t *row, unsigned bits, uint16_t *pixels, size_t width);

/* Bytes that such a row has without padding. */
size_t packed_bytes(unsigned bits, size_t width);

#ifdef __cplusplus
}
#endif
