#include "picture.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <jpeglib.h>
#include <stdexcept>

namespace {
const std::string PACKET("InvISP\0record\0", 14);  // what a packet of the layer `record` begins with
}

Bytes encode_jpeg(const Bytes &rgb, const nlohmann::json &record) {
    jpeg_compress_struct coder;
    jpeg_error_mgr errors;
    coder.err = jpeg_std_error(&errors);
    jpeg_create_compress(&coder);
    unsigned char *place = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&coder, &place, &size);
    coder.image_width = record.at("width"), coder.image_height = record.at("height");
    coder.input_components = 3, coder.in_color_space = JCS_RGB;
    jpeg_set_defaults(&coder);
    jpeg_set_quality(&coder, record.at("quality"), TRUE);
    const std::string sampling = record.at("subsampling");  // 4:4:4, 4:2:2 or 4:2:0
    coder.comp_info[0].h_samp_factor = sampling == "4:4:4" ? 1 : 2;
    coder.comp_info[0].v_samp_factor = sampling == "4:2:0" ? 2 : 1;
    jpeg_start_compress(&coder, TRUE);
    while (coder.next_scanline < coder.image_height) {
        auto *row = const_cast<JSAMPROW>(&rgb[size_t(3) * coder.image_width * coder.next_scanline]);
        jpeg_write_scanlines(&coder, &row, 1);
    }
    jpeg_finish_compress(&coder);
    jpeg_destroy_compress(&coder);
    const Bytes data(place, place + size);
    free(place);
    return data;
}

std::pair<Bytes, nlohmann::json> decode_jpeg(const Bytes &data) {
    jpeg_decompress_struct decoder;
    jpeg_error_mgr errors;
    decoder.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&decoder);
    jpeg_mem_src(&decoder, data.data(), data.size());
    jpeg_save_markers(&decoder, JPEG_APP0 + 9, 0xFFFF);
    jpeg_read_header(&decoder, TRUE);
    nlohmann::json record;
    for (auto *marker = decoder.marker_list; marker; marker = marker->next) {
        const size_t start = PACKET.size() + 8;  // and which of how many parts it is, uint16 each, and the CRC-32
        if (marker->data_length < start || std::memcmp(marker->data, PACKET.data(), PACKET.size())) continue;
        Bytes text(1 << 16);
        uLongf size = text.size();
        if (uncompress(text.data(), &size, marker->data + start, marker->data_length - start) != Z_OK)
            throw std::runtime_error("The record of the JPEG is damaged: use the file as it was rendered.");
        record = nlohmann::json::parse(text.begin(), text.begin() + size);
    }
    if (record.is_null()) throw std::runtime_error("The JPEG carries no way back: it was not rendered by invisp.");
    jpeg_start_decompress(&decoder);
    Bytes rgb(size_t(3) * decoder.output_width * decoder.output_height);
    while (decoder.output_scanline < decoder.output_height) {
        JSAMPROW row = &rgb[size_t(3) * decoder.output_width * decoder.output_scanline];
        jpeg_read_scanlines(&decoder, &row, 1);
    }
    jpeg_destroy_decompress(&decoder);
    return {rgb, record};
}

std::string digest(const std::string &head, const Bytes &jpeg) {
    size_t place = 2;
    while (jpeg.at(place + 1) != 0xDA) place += 2 + (jpeg.at(place + 2) << 8 | jpeg.at(place + 3));
    place += 2 + (jpeg.at(place + 2) << 8 | jpeg.at(place + 3));
    const uint8_t end[] = {0xFF, 0xD9};
    std::string decides(head);
    decides.append(jpeg.begin() + place, std::search(jpeg.begin() + place, jpeg.end(), end, end + 2));
    uint8_t made[32];
    EVP_Digest(decides.data(), decides.size(), made, nullptr, EVP_sha256(), nullptr);
    std::string text;
    for (uint8_t byte : made) text += "0123456789abcdef"[byte >> 4], text += "0123456789abcdef"[byte & 15];
    return text;
}

Bytes with_record(const Bytes &jpeg, const nlohmann::json &record) {
    const std::string text = record.dump();
    Bytes packed(compressBound(text.size()));
    uLongf size = packed.size();
    compress2(packed.data(), &size, reinterpret_cast<const Bytef *>(text.data()), text.size(), 9);
    const uint32_t check = crc32(0, packed.data(), size), length = 2 + PACKET.size() + 8 + size;
    Bytes made(jpeg.begin(), jpeg.begin() + 4 + (jpeg[4] << 8 | jpeg[5]));
    for (uint32_t byte : {0xFFu, 0xE9u, length >> 8, length}) made.push_back(byte);
    made.insert(made.end(), PACKET.begin(), PACKET.end());
    for (uint32_t byte : {0u, 0u, 0u, 1u, check >> 24, check >> 16, check >> 8, check}) made.push_back(byte);
    made.insert(made.end(), packed.begin(), packed.begin() + size);
    made.insert(made.end(), jpeg.begin() + 4 + (jpeg[4] << 8 | jpeg[5]), jpeg.end());
    return made;
}
