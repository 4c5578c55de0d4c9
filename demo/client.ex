defmodule Demo.Client do
  @moduledoc false
  # An HTTP client that uploads a document piece by piece.

  @timeout 60_000

  @doc "Posts `document`: `{:ok, status, body}`, or `{:error, reason}` when no answer came."
  def post(port, path, document) do
    with {:ok, socket} <- :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false]) do
      try do
        exchange(socket, path, document)
      after
        :gen_tcp.close(socket)
      end
    end
  end

  defp exchange(socket, path, document) do
    head =
      "POST #{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n" <>
        "content-type: application/xml\r\ncontent-length: #{document.bytes}\r\n\r\n"

    with :ok <- send_all(socket, Stream.concat([head], document.chunks)),
         {:ok, answer} <- receive_all(socket, ""),
         [head, body] <- :binary.split(answer, "\r\n\r\n"),
         [_, status] <- Regex.run(~r"^HTTP/1\.1 (\d{3}) ", head) do
      {:ok, String.to_integer(status), body(head, body)}
    else
      {:error, reason} -> {:error, reason}
      _ -> {:error, :no_answer}
    end
  end

  defp send_all(socket, pieces) do
    Enum.reduce_while(pieces, :ok, fn piece, :ok ->
      case :gen_tcp.send(socket, piece) do
        :ok -> {:cont, :ok}
        error -> {:halt, error}
      end
    end)
  end

  defp receive_all(socket, received) do
    case :gen_tcp.recv(socket, 0, @timeout) do
      {:ok, data} -> receive_all(socket, received <> data)
      {:error, :closed} -> {:ok, received}
      error -> error
    end
  end

  defp body(head, body) do
    if String.downcase(head) =~ "transfer-encoding: chunked", do: unchunked(body), else: body
  end

  defp unchunked(body) do
    [size, rest] = :binary.split(body, "\r\n")

    case Integer.parse(size, 16) do
      {0, _} -> ""
      {size, _} -> binary_part(rest, 0, size) <> unchunked(after_chunk(rest, size))
    end
  end

  defp after_chunk(rest, size), do: binary_part(rest, size + 2, byte_size(rest) - size - 2)
end
