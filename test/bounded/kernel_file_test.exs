defmodule Bounded.KernelFileTest do
  use ExUnit.Case, async: true

  alias Bounded.{KernelFile, Native}

  describe "a file that is opened once" do
    @tag :tmp_dir
    test "is read as it is now", %{tmp_dir: dir} do
      File.write!(Path.join(dir, "memory.current"), "12\n")
      assert {:ok, file} = KernelFile.open(dir, "memory.current")
      assert KernelFile.reread(file) == "12\n"
      File.write!(Path.join(dir, "memory.current"), "345\n")
      assert KernelFile.reread(file) == "345\n"
    end

    @tag :tmp_dir
    test "is empty once it cannot be read", %{tmp_dir: dir} do
      File.write!(Path.join(dir, "memory.current"), "")
      assert {:ok, file} = KernelFile.open(dir, "memory.current")
      assert KernelFile.reread(file) == ""
    end

    @tag :tmp_dir
    test "has an error where it is not there", %{tmp_dir: dir} do
      assert KernelFile.open(dir, "memory.current") == {:error, :enoent}
    end

    @tag skip: unless(File.exists?("/proc/meminfo"), do: "this system has no /proc/meminfo")
    test "is the kernel's own, and has what the kernel reports" do
      assert {:ok, {:native, _} = file} = KernelFile.open("/", "proc/meminfo")
      text = KernelFile.reread(file)
      assert KernelFile.bytes(text, "MemTotal") > 0
      assert byte_size(text) <= 4_096

      assert KernelFile.bytes(text, "MemTotal") ==
               KernelFile.bytes(KernelFile.read("/", "proc/meminfo"), "MemTotal")
    end
  end

  describe "a thread that reads an open file" do
    @tag :tmp_dir
    test "is for the kernel's own alone", %{tmp_dir: dir} do
      File.write!(Path.join(dir, "memory.current"), "12\n")
      assert {:ok, file} = KernelFile.open(dir, "memory.current")
      assert KernelFile.watch(file) == :error
    end
  end

  describe "a file that is read once" do
    @tag :tmp_dir
    test "is read to its end, but not without end", %{tmp_dir: dir} do
      path = Path.join(dir, "large")
      File.write!(path, :binary.copy("x", 1_000_000))
      assert byte_size(KernelFile.read(dir, "large")) == 1_000_000
      File.write!(path, :binary.copy("x", 4_000_000))
      assert byte_size(KernelFile.read(dir, "large")) in 1_048_576..1_200_000
      assert KernelFile.read(dir, "none") == ""
      # Another node's.
      assert KernelFile.read(&"read #{&1}", "proc/meminfo") == "read /proc/meminfo"
    end
  end

  describe "the library opens" do
    @tag :tmp_dir
    test "no file of another file system, no link and nothing but files", %{tmp_dir: dir} do
      regular = Path.join(dir, "meminfo")
      link = Path.join(dir, "memory.current")
      folder = Path.join(dir, "memory.usage_in_bytes")
      File.write!(regular, "MemTotal: 1 kB\n")
      File.ln_s!("/proc/meminfo", link)
      File.mkdir!(folder)

      for path <- [regular, link, folder],
          do: assert(Native.kernel_file_open(path) == {:error, :enotsup})
    end

    @tag :tmp_dir
    test "no pipe, whose open would wait for a writer", %{tmp_dir: dir} do
      pipe = Path.join(dir, "meminfo")
      {_, 0} = System.cmd("mkfifo", [pipe])
      task = Task.async(fn -> Native.kernel_file_open(pipe) end)
      assert {:ok, {:error, :enotsup}} = Task.yield(task, 5_000)
    end

    test "no other file of the kernel's, such as one that waits" do
      for path <- ["/proc/kmsg", "/proc/self/mem", "/proc/self/status", "/dev/zero"],
          do: assert(Native.kernel_file_open(path) == {:error, :enotsup})
    end

    test "no path that is none" do
      for path <- ["", "a\0/meminfo", String.duplicate("a/", 3_000) <> "meminfo"],
          do: assert(Native.kernel_file_open(path) in [{:error, :einval}, {:error, :enotsup}])
    end
  end
end
