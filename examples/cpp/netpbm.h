// Read a photo from a PPM file and write labels to a PGM file: formats that need no library.
// `magick photo.jpg photo.ppm` makes one; a program with OpenCV takes cv::imread, which gives BGR.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct Image {
    std::size_t height, width;
    std::vector<std::uint8_t> bgr;  // height * width * 3, the order that the network takes
};

// The next number of a header, after blanks and comments.
inline std::size_t read_number(std::istream& file) {
    while (file >> std::ws && file.peek() == '#') {
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    std::size_t number = 0;
    file >> number;
    return number;
}

inline Image read_ppm(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string format(2, ' ');
    file.read(format.data(), 2);
    const std::size_t width = read_number(file), height = read_number(file);
    const std::size_t maximum = read_number(file);
    file.get();  // the blank after the header
    const bool is_right = file && format == "P6" && maximum == 255;
    if (!is_right || width - 1 >= 1 << 16 || height - 1 >= 1 << 16) {
        throw std::runtime_error(path + ": is no binary PPM of 8 bits");
    }
    Image image{height, width, {std::istreambuf_iterator<char>(file), {}}};
    if (image.bgr.size() != height * width * 3) {
        throw std::runtime_error(path + ": is cut off or has more than one image");
    }
    for (std::size_t i = 0; i < image.bgr.size(); i += 3) {
        std::swap(image.bgr[i], image.bgr[i + 2]);  // from RGB
    }
    return image;
}

inline void write_pgm(const std::string& path, const std::uint8_t* labels, std::size_t height,
                      std::size_t width) {
    std::ofstream file(path, std::ios::binary);
    file << "P5\n" << width << ' ' << height << "\n255\n";
    file.write(reinterpret_cast<const char*>(labels), height * width);
    if (!file.flush()) {
        throw std::runtime_error(path + ": cannot be written");
    }
}
