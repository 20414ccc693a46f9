// Cuts a training square out of a JPEG: the pixels of TensorFlow's decode_and_crop_jpeg, of its bilinear resize and of a
// flip, in one pass over the rows and without an image in between. On x86-64 they are the same bit for bit; where
// TensorFlow's own kernels may fuse a multiplication with an addition, one in many thousands may be a level off.
//
// It speaks libjpeg-turbo's interface, as libjpeg 6.2.

#pragma once

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include <jpeglib.h>
#include <jerror.h>

namespace {

constexpr int kChannels = 3;

// A pixel, and a value behind it that counts for nothing: four fill a vector register.
typedef float Pixel __attribute__((vector_size(16)));

struct Box {
  int32_t top, left, height, width;
};

// Which two places of a row (or column) an output place lies between, and how far from the lower one.
struct Place {
  int lower, upper;
  float share;
};

// As TensorFlow's kernel has them, with pixels' centres at a half.
void FindPlaces(int length, std::vector<Place>& places) {
  const float scale = static_cast<float>(length) / static_cast<float>(places.size());
  for (size_t i = 0; i < places.size(); ++i) {
    const float at = (static_cast<float>(i) + 0.5f) * scale - 0.5f;
    const int below = at < 0 ? -1 : static_cast<int>(at);
    places[i] = {below < 0 ? 0 : below, below + 1 < length ? below + 1 : length - 1, at - static_cast<float>(below)};
  }
}

Pixel Load(const float* from) {
  Pixel pixel;
  std::memcpy(&pixel, from, sizeof pixel);
  return pixel;
}

// A row of pixels, and a value more, to another such.
void ResizeRow(const float* row, const std::vector<Place>& places, float* out) {
  for (const Place& place : places) {
    const Pixel lower = Load(row + kChannels * place.lower), upper = Load(row + kChannels * place.upper);
    const Pixel pixel = lower + (upper - lower) * place.share;
    std::memcpy(out, &pixel, sizeof pixel);
    out += kChannels;
  }
}

void BlendRows(const float* __restrict lower, const float* __restrict upper, float share, int count,
               uint8_t* __restrict out) {
  for (int i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(lower[i] + (upper[i] - lower[i]) * share + 0.5f);
}

// libjpeg ends the process at an error, unless its caller jumps back. So what frees memory lives in the frame that is
// jumped back to, `Open`'s, or before it.
struct Errors {
  jpeg_error_mgr manager;
  jmp_buf back;
  char message[JMSG_LENGTH_MAX];
};

void JumpBack(j_common_ptr info) {
  Errors* errors = reinterpret_cast<Errors*>(info->err);
  info->err->format_message(info, errors->message);
  longjmp(errors->back, 1);
}

void KeepSilent(j_common_ptr) {}

// Where a file ends too early, libjpeg would paint the rest grey.
boolean EndsTooEarly(j_decompress_ptr info) {
  ERREXIT(info, JERR_INPUT_EOF);
  return FALSE;
}

// Opens a file's bytes and calls `read` with the header known; false, and the reason in `message`, where that goes
// wrong. Nothing that `read` makes may own memory: it is jumped out of.
template <typename Read>
bool Open(const char* bytes, size_t length, char* message, Read read) {
  Errors errors;
  jpeg_decompress_struct info;
  info.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = JumpBack;
  errors.manager.output_message = KeepSilent;
  volatile bool whole = false;
  if (setjmp(errors.back) == 0) {
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, reinterpret_cast<unsigned char*>(const_cast<char*>(bytes)), length);
    info.src->fill_input_buffer = EndsTooEarly;
    jpeg_read_header(&info, TRUE);
    read(info);
    whole = true;
  } else {
    std::memcpy(message, errors.message, sizeof errors.message);
  }
  jpeg_destroy_decompress(&info);
  return whole;
}

// Whether every libjpeg-turbo decodes it to the same pixels: of what is rarer some refuse a kind, others smooth blocks.
bool IsCommon(const jpeg_decompress_struct& info) {
  const bool inks = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  return !inks && !info.progressive_mode && !info.arith_code && info.data_precision == 8;
}

// `box` is not empty, and begins at 0 or behind.
class Square {
 public:
  Square(Box box, int size, bool flip, uint8_t* out)
      : box_(box), size_(size), out_(out), across_(size), down_(size) {
    const int spare = std::min(box.height, box.width) / size;
    ratio_ = spare >= 8 ? 8 : spare >= 4 ? 4 : spare >= 2 ? 2 : 1;
    reduced_ = {box.top / ratio_, box.left / ratio_, box.height / ratio_, box.width / ratio_};
    FindPlaces(reduced_.width, across_);
    if (flip) std::reverse(across_.begin(), across_.end());
    FindPlaces(reduced_.height, down_);
    for (auto& row : rows_) row.resize(kChannels * size + 1);
  }

  void Read(jpeg_decompress_struct& info) {
    if (!Within(info)) ERREXIT(&info, JERR_BAD_CROP_SPEC);
    info.out_color_space = JCS_RGB;
    info.dct_method = JDCT_ISLOW;
    info.scale_num = 1;
    info.scale_denom = ratio_;
    jpeg_start_decompress(&info);
    JDIMENSION left = reduced_.left, width = reduced_.width;
    jpeg_crop_scanline(&info, &left, &width);
    if (reduced_.top) jpeg_skip_scanlines(&info, reduced_.top);
    // To an aligned row libjpeg-turbo writes past the cache, and what is read next would have to come from memory.
    levels_.resize(kChannels * info.output_width + 1);
    row_.resize(kChannels * reduced_.width + 1);
    JSAMPROW levels = levels_.data() + 1;
    const uint8_t* begin = levels + kChannels * (reduced_.left - static_cast<int>(left));
    int read = 0;  // Of the rows before this one the last two are kept, each by its number's parity.
    for (int i = 0; i < size_; ++i) {
      for (; read <= down_[i].upper; ++read) {
        jpeg_read_scanlines(&info, &levels, 1);
        if (read < down_[i].lower) continue;
        std::copy(begin, begin + kChannels * reduced_.width, row_.begin());
        ResizeRow(row_.data(), across_, rows_[read & 1].data());
      }
      Write(i);
    }
  }

 private:
  bool Within(const jpeg_decompress_struct& info) const {
    return int64_t{box_.top} + box_.height <= info.image_height && int64_t{box_.left} + box_.width <= info.image_width;
  }

  void Write(int i) {
    uint8_t* out = out_ + static_cast<size_t>(kChannels) * size_ * i;
    const float *lower = rows_[down_[i].lower & 1].data(), *upper = rows_[down_[i].upper & 1].data();
    BlendRows(lower, upper, down_[i].share, kChannels * size_, out);
  }

  Box box_;
  int size_;
  uint8_t* out_;
  int ratio_;
  Box reduced_;
  std::vector<Place> across_, down_;
  std::vector<uint8_t> levels_;
  std::vector<float> row_, rows_[2];
};

}  // namespace
