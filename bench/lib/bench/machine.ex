defmodule Bench.Machine do
  @moduledoc "What results were measured on, in one line."

  def describe do
    Enum.join(
      [
        "#{processor()}, #{System.schedulers_online()} cores",
        memory(),
        system(),
        "OTP #{System.otp_release()} (#{:erlang.system_info(:emu_flavor)})",
        "Elixir #{System.version()}",
        rustc()
      ],
      "; "
    )
  end

  defp processor, do: field("/proc/cpuinfo", ~r/model name\s*: (.*)/) || "unknown processor"

  defp memory do
    case field("/proc/meminfo", ~r/MemTotal:\s*(\d+) kB/) do
      nil -> "unknown memory"
      kib -> "#{div(String.to_integer(kib), 1_048_576)} GiB"
    end
  end

  defp system do
    {_family, name} = :os.type()
    version = :os.version() |> Tuple.to_list() |> Enum.join(".")
    "#{name} #{version}"
  end

  defp rustc do
    case System.find_executable("rustc") do
      nil -> "no rustc"
      rustc -> rustc |> System.cmd(["--version"]) |> elem(0) |> String.trim()
    end
  end

  defp field(path, pattern) do
    with {:ok, text} <- File.read(path),
         [_, value] <- Regex.run(pattern, text) do
      value
    else
      _absent -> nil
    end
  end
end
