// JPEGs that carry the record of their way back, as invisp writes and reads them.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

using Bytes = std::vector<uint8_t>;

// Codes to a JPEG of the record's size, quality and subsampling. libjpeg ends the program with a message of its own
// where it fails, here and below.
Bytes encode_jpeg(const Bytes &rgb, const nlohmann::json &record);

// The codes of a JPEG and the record that it carries.
std::pair<Bytes, nlohmann::json> decode_jpeg(const Bytes &data);

// SHA-256 of what decides a JPEG's pixels: its tables and sizes, which `head` says in words, and what it codes.
std::string digest(const std::string &head, const Bytes &jpeg);

// The JPEG with its record in a segment APP9 behind JFIF's.
Bytes with_record(const Bytes &jpeg, const nlohmann::json &record);
