Code.require_file("upload_service.ex", __DIR__)
Examples.UploadService.main(System.argv())
